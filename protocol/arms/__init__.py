"""ARMS (SMFv2): the pull and push messages between adapters and their location and resolve servers.

codes: result codes · messages: what can be said · xml: messages to and from bytes · lsconfig: the small text language
inside a location server's answer · http: the requests and replies that carry the bodies.
Facts are of libarms 5.33 and armsd 0.8.0 unless a docstring says otherwise.
"""
