# Published packages as they are, without a single argument where they need none. SUNDOG_BACKEND says what runs them.

terraform {
  required_providers {
    sundog = {
      source = "sundog-dev/sundog"
    }
  }
}

variable "enclave" {
  type = string
}

provider "sundog" {}

resource "sundog_enclave" "this" {
  name = var.enclave
}

resource "sundog_package_run" "redis" {
  enclave = sundog_enclave.this.id
  package = "github.com/kurtosis-tech/redis-package@096ea1284062fd8b4e26845306b6681c4ed6dfe5"
}

# This one imports a package of another author's and runs it.
resource "sundog_package_run" "postgres" {
  enclave = sundog_enclave.this.id
  package = "github.com/kurtosis-tech/postgres-package@9c18603a90602d29fe5872d6f4693a5b6a280d15"
  args    = { launch_adminer = true }
}

resource "sundog_package_run" "nginx" {
  enclave = sundog_enclave.this.id
  package = "github.com/kurtosis-tech/nginx-package@b29ef31b6b7e3f612ced44ee849c6dacf1e4fc6c"
}

locals {
  runs = {
    redis    = sundog_package_run.redis
    postgres = sundog_package_run.postgres
    nginx    = sundog_package_run.nginx
  }
}

output "outputs" {
  description = "What the packages returned."
  value       = { for name, run in local.runs : name => run.output }
}

output "services" {
  description = "What runs for them."
  value = { for name, run in local.runs : name => { for service, of in run.services : service => {
    hostname = of.hostname
    image    = of.image
    status   = of.status
    ports    = { for id, port in of.ports : id => "${port.number}/${port.transport_protocol} ${coalesce(port.application_protocol, "-")}" }
  } } }
}
