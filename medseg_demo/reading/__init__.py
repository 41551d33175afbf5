"""The only door for users' files: bytes of any origin → images, label maps and studies.

A file's kind is found from its bytes, never from its name. Nothing outside this package opens one.
"""
