# The rollback: the module forgets the CAs and deletes nothing. Without effect until then.

removed {
  from = module.iot_ca

  lifecycle {
    destroy = false
  }
}

moved {
  from = module.iot_ca.module.jitp["fleet"].aws_iot_provisioning_template.provisioning
  to   = aws_iot_provisioning_template.fleet
}
