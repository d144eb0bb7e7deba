resource "sundog_enclave" "dev" {
  name   = "dev"
  ttl    = "8h"
  labels = { team = "shop" }
}
