ephemeral "sundog_port_forward" "database" {
  enclave = sundog_enclave.dev.id
  service = "postgres"
  port    = "sql" # its id, or a number such as 5432
}

# Any provider that is told where to connect to.
provider "postgresql" {
  host     = ephemeral.sundog_port_forward.database.host
  port     = ephemeral.sundog_port_forward.database.host_port
  username = "postgres"
  password = var.password
  sslmode  = "disable"
}

resource "postgresql_database" "shop" {
  name       = "shop"
  depends_on = [sundog_package_run.shop] # which makes the service
}
