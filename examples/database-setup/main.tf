terraform {
  required_providers {
    sundog = {
      source = "sundog-dev/sundog"
    }
    postgresql = {
      source = "cyrilgdn/postgresql"
    }
  }
}

# On Kubernetes: SUNDOG_BACKEND=kubernetes. The configuration is the same.
provider "sundog" {}

resource "sundog_enclave" "dev" {
  name = var.enclave
}

resource "sundog_package_run" "database" {
  enclave        = sundog_enclave.dev.id
  package        = "${path.module}/database"
  args           = { image = var.postgres_image }
  sensitive_args = { password = var.password }
}

# The database's port on this machine, for as long as a plan or an apply takes. It need not be published, and on Kubernetes
# nothing but the API server has to be reached.
ephemeral "sundog_port_forward" "database" {
  enclave = sundog_enclave.dev.id
  service = "postgres"
  port    = "sql"
}

# Another provider works inside of the enclave, in the apply that makes it.
provider "postgresql" {
  host     = ephemeral.sundog_port_forward.database.host
  port     = ephemeral.sundog_port_forward.database.host_port
  username = "postgres"
  password = var.password
  sslmode  = "disable"
}

resource "postgresql_role" "shop" {
  name     = "shop"
  login    = true
  password = var.password

  # The port leads to a service that the run makes. That the port itself does not depend on the run lets this provider look
  # into the database also in plans that change the run.
  depends_on = [sundog_package_run.database]
}

resource "postgresql_database" "shop" {
  name  = "shop"
  owner = postgresql_role.shop.name
}

resource "postgresql_extension" "crypto" {
  name     = "pgcrypto"
  database = postgresql_database.shop.name
}
