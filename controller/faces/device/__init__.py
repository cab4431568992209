"""What adapters talk to: location server, resolve server, firmware. Bytes in, bytes out; the answers are services'."""
