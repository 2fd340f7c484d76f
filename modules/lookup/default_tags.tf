# The provider's default tags are compared here, since the lookup does not wait for the provider.

locals {
  # Of the same key, the CA's own tag counts.
  default_tags = {
    for name, ca in var.certificate_authorities : name => {
      for key, value in var.default_tags : key => value if !contains(keys(ca.tags), key)
    }
  }

  # Saved in a tag of the CA: tells a change of the default tags in the configuration from a change of the CA's tags.
  default_tags_digests = {
    for name, tags in local.default_tags : name => length(tags) == 0 ? "" : substr(sha256(jsonencode(tags)), 0, 8)
  }

  # In the words in which the program names other differences.
  default_tag_differences = {
    for name, answer in local.answers : name => [
      for key in sort(keys(merge(answer.default_tags, local.default_tags[name]))) :
      "tag ${key} is ${lookup(answer.default_tags, key, "missing")}, wanted ${lookup(local.default_tags[name], key, "none")}"
      if lookup(answer.default_tags, key, null) != lookup(local.default_tags[name], key, null)
    ]
  }

  default_tags_changed = {
    for name, answer in local.answers : name => answer.default_tags_digest != local.default_tags_digests[name]
  }

  # Only where the program has found nothing to do: its own revision is new otherwise.
  default_tags_revisions = {
    for name, answer in local.answers : name => join("", [
      local.default_tags_changed[name] ? "update tags " : "repair tags ",
      # The digest of the desired state, which the revision in AWS has, and a new number that is the same until apply.
      try(regex(" ([0-9a-f]{8}-)[0-9a-f]{8}$", answer.revision)[0], ""),
      substr(sha256(jsonencode([answer.revision, answer.default_tags, local.default_tags[name]])), 0, 8),
    ])
    if answer.is_reconciled && (local.default_tags_changed[name] || length(local.default_tag_differences[name]) > 0)
  }

  results = {
    for name, answer in local.answers : name => merge({
      # Without what is only compared here.
      for attribute, value in answer : attribute => value
      if !contains(["is_reconciled", "default_tags", "default_tags_digest"], attribute)
      }, {
      revision    = lookup(local.default_tags_revisions, name, answer.revision)
      differences = concat(answer.differences, contains(answer.differences, "not registered") ? [] : local.default_tag_differences[name])
      drift = concat(
        answer.drift,
        (answer.is_reconciled || length(answer.drift) > 0) && !local.default_tags_changed[name] ? local.default_tag_differences[name] : [],
      )
      request = jsonencode(merge(jsondecode(answer.request), {
        default_tags        = local.default_tags[name]
        default_tags_digest = local.default_tags_digests[name]
      }))
    })
  }
}
