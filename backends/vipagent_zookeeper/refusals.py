"""What a server's refusals mean, in an operator's words."""

MEANINGS = {
    "NoAuthError": "not allowed: user, password and the znode's ACL do not fit together",
    "InvalidACLError": "the server knows no identity of ours: set auth, or acl: open",
    "AuthFailedError": "authentication failed: wrong user or password",
    "SessionClosedRequireSaslError": "authentication failed: no login that the server accepts",
    "NotEmptyError": "there are znodes below it; remove them first",
    "NoChildrenForEphemeralsError": "a znode above it is ephemeral, and cannot have any below it",
}


def explain(error: BaseException | None) -> str:
    """Say what a refusal means; what is not known is said as kazoo does."""
    name = type(error).__name__
    return MEANINGS.get(name) or str(error) or name
