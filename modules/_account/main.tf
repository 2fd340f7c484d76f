# This module has no resource: its variable refuses the wrong account. A validation stops a destroy, while
# Terraform turns a failed precondition or postcondition into a warning there. Without the refusal, the refresh
# before a destroy drops resources from the state that the wrong account lacks, and they stay in the right one.
