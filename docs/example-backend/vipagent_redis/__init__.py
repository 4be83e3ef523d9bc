"""Redis as a store of vipagent."""

from vipagent_redis.backend import RedisBackend

__all__ = ["RedisBackend"]
