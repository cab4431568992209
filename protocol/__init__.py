"""What both ends of the wire share: distribution ids, ARMS messages and their coding. Sans-IO: bytes in, values out.

Nothing here opens a socket, reads a clock or knows the controller or the emulated adapter.
"""
