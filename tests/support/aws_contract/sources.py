"""Where the assumptions come from."""

from __future__ import annotations

API = "https://docs.aws.amazon.com/iot/latest/apireference"
GUIDE = "https://docs.aws.amazon.com/iot/latest/developerguide"
MANAGE_CAS = f"{GUIDE}/manage-your-CA-certs.html"
GENERAL_REFERENCE = "https://docs.aws.amazon.com/general/latest/gr/iot-core.html"
METRICS = f"{GUIDE}/metrics_dimensions.html"
BLOG = (
    "https://aws.amazon.com/blogs/iot/simplify-multi-account-device-provisioning-"
    "and-certificate-authority-registration-using-aws-iot-core/"
)
PROVIDER_TESTS = "acceptance tests of hashicorp/aws"
SEEN = "answers of AWS that users have published"
OPEN = "not documented"
