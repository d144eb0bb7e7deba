variable "payment_token" {
  type      = string
  ephemeral = true
}

resource "sundog_enclave" "dev" {
  name = "dev"
}

resource "sundog_package_run" "shop" {
  enclave = sundog_enclave.dev.id
  package = "${path.module}/shop" # or "github.com/owner/repository/folder@version"

  args = {
    replicas = 2
    features = ["search", "checkout"]
  }

  # Never in a plan or in the state; raise the version when it changes.
  sensitive_args_wo         = { payment_token = var.payment_token }
  sensitive_args_wo_version = 1

  timeouts = { create = "30m" }
}

output "shop_url" {
  value = sundog_package_run.shop.services["api"].ports["http"].url
}
