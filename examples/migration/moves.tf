# The old owners forget the CAs and delete nothing. Once this is applied in every account, the file
# may go.

removed {
  from = aws_iot_ca_certificate.factory

  lifecycle {
    destroy = false
  }
}

removed {
  from = aws_iot_ca_certificate.legacy

  lifecycle {
    destroy = false
  }
}

# Its destroy-time provisioner would delete the CA. Forgetting does not run it.
removed {
  from = terraform_data.workshop

  lifecycle {
    destroy = false
  }
}

# The template keeps its name, its versions and its place on the CA.
moved {
  from = aws_iot_provisioning_template.fleet
  to   = module.iot_ca.module.jitp["fleet"].aws_iot_provisioning_template.provisioning
}
