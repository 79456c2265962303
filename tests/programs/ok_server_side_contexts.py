"""A server's contexts are no client's, however many there are and whether or not anybody calls.

contexts: 6
handshakes: 0
"""

import ssl

contexts = [ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) for _ in range(3)]
contexts += [ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(3)]
print(len(contexts), "virtual hosts")
