"""vipagent: keeps a load balancer's VIP announced by BGP when its machine is gone."""

__version__ = "0.1.0"
