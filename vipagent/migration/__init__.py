"""From ExaZK's and ExaBGP healthcheck's configurations to ours."""
