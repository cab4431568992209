"""ARMS (SMFv2): the pull and push messages between adapters and their location and resolve servers.

Start at `xml` (messages to and from bytes) and `messages` (what can be said). Each message type has its module; they
share envelope, elements (writing), content (bytes inside messages), tree (hardened reading), limits (what real clients
can take) and codes. Push operations are one table, `operations`, for both ends; `push` has the messages that carry
them. `lsconfig` is the small text language inside a location server's answer, `http` carries pulls. To add a message
type: its values in `messages`, its module, and its lines in `xml`; to add an operation: see `operations`.

Facts are of libarms 5.33 and armsd 0.8.0, seen live or read in their source, unless a docstring says otherwise.
"""
