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

# Another package in the same enclave, which looks up services of the first one.
resource "sundog_package_run" "reports" {
  enclave           = sundog_enclave.dev.id
  package           = "${path.module}/reports"
  existing_services = sundog_package_run.shop.services

  # Another text here carries the package's instructions out again, apart from those with rerun = "once".
  triggers = { sample_data = "2024-05" }
}

output "shop_url" {
  value = sundog_package_run.shop.services["api"].ports["http"].url
}
