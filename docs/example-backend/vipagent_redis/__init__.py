"""Redis as a store of vipagent."""

from vipagent_redis.driver import RedisDriver

__all__ = ["RedisDriver"]
