"""AWS IoT Core: rules and operations of each type of resource."""
