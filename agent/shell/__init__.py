"""The command line of an emulated adapter, without any I/O: bytes typed in, bytes to show out.

lines: the line editor · console: prompt, pager, questions · batch: exec and shells without a terminal ·
commands: what a line does · recordings, view: what it prints.
"""
