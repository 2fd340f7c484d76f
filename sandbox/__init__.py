"""A local AWS for the demo and the tests: moto's backends with AWS IoT Core's CA rules.

``python -m sandbox`` serves it on loopback. Tests and tools use :mod:`sandbox.control` and nothing
else: ``start`` runs a sandbox in a process of its own, ``Sandbox`` steers it.

Packages, each of which imports only those after it:

    server       HTTP, who calls, recorded calls, ordered faults, the control requests
    permissions  which permissions each operation needs
    devices      TLS, MQTT, admission, just-in-time provisioning, topic rules
    functions    Lambda functions that run
    iot, keys    AWS IoT; KMS, Secrets Manager and Private CA
    identity     principals, policy evaluation, IAM, STS, roles of services

``errors``, ``device_log`` and ``moto_service`` are for all of them.
"""
