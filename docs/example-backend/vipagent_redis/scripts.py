"""How an entry lies in Redis: a hash with the fields `value` and, if it is ephemeral, `holder`.

A script runs at once, so that nobody comes between its looking and its doing. What has no field `value` is no
entry, whatever else it is.
"""

from vipagent.store.backend import MAX_VALUE

_LOOK = """
local value, holder = unpack(redis.pcall('HMGET', KEYS[1], 'value', 'holder'))
local version = value and redis.sha1hex((holder or '') .. ' ' .. value) or ''
"""

READ = f"{_LOOK} return value and {{value:sub(1, {MAX_VALUE}), version, holder or ''}}"

# ARGV: the version that is to be there, the value, the holder ('': none), its life in milliseconds
PUT = f"""{_LOOK}
if version ~= ARGV[1] then return false end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'value', ARGV[2], 'holder', ARGV[3])
if ARGV[3] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
{READ}"""

# ARGV: the version that is to be there
DELETE = f"{_LOOK} return version == ARGV[1] and redis.call('DEL', KEYS[1])"

# ARGV: the holder, milliseconds to live from now on (0: it goes)
LIVE = f"{_LOOK} return holder == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2])"
