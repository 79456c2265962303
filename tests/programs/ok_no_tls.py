"""No network at all.

contexts: 0
handshakes: 0
"""

print(sum(range(10)))
