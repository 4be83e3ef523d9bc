"""HTTP server of the agent (`--listen`): metrics, health and the status page. Imported only if enabled."""
