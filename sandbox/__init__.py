"""A local AWS for the demo and the tests: moto's backends with AWS IoT Core's CA rules.

``python -m sandbox`` serves it on loopback; :mod:`sandbox.control` starts and steers it.
"""
