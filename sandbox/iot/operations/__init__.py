"""The operations of AWS IoT, by type of resource: requests in, rules applied, answers out."""
