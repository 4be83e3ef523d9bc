"""Earlier versions beside the present one, taken from the history of this repository."""
