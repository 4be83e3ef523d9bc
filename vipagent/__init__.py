"""vipagent: keeps a load balancer's VIP announced by BGP when its machine fails."""

__version__ = "0.1.0"
