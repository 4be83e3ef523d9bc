"""Format of an entry: a hash with the fields `value` and, if it is ephemeral, `holder`.

Scripts are atomic, so that an entry does not change between reading and writing. Keys without a field `value`
are not entries.
"""

from vipagent.store.backend import MAX_VALUE

_LOOK = """
local value, holder = unpack(redis.pcall('HMGET', KEYS[1], 'value', 'holder'))
local version = value and redis.sha1hex((holder or '') .. ' ' .. value) or ''
"""

READ = f"{_LOOK} return value and {{value:sub(1, {MAX_VALUE}), version, holder or ''}}"

# ARGV: the expected version, the value, the holder ('': none), its lifetime in milliseconds
PUT = f"""{_LOOK}
if version ~= ARGV[1] then return false end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'value', ARGV[2], 'holder', ARGV[3])
if ARGV[3] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
{READ}"""

# ARGV: the expected version
DELETE = f"{_LOOK} return version == ARGV[1] and redis.call('DEL', KEYS[1])"

# ARGV: the holder, the new lifetime in milliseconds (0: delete)
RENEW = f"{_LOOK} return holder == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2])"
