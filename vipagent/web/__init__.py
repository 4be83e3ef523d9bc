"""What an agent shows by HTTP (`--listen`): metrics, its health, the status page. Imported only then."""
