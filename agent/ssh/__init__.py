"""How emulated adapters are reached over SSH, thousands of them behind one listener.

door: whose connection is this, and does it answer at all · connection: asyncssh's server, trimmed · login: who may in ·
session: the console or batch on a channel.
"""
