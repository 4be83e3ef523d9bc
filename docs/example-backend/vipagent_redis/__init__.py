"""Redis as a store for vipagent."""

from vipagent_redis.driver import RedisDriver

__all__ = ["RedisDriver"]
