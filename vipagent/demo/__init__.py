"""`vipagent demo`: the main job for somebody who has nothing but loopback: real BGP, real deaths."""
