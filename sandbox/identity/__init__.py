"""Who calls and what policies allow: principals, policy evaluation, IAM, STS, service roles."""
