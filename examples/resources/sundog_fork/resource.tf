data "sundog_inventory" "production" {}

resource "sundog_enclave" "staging" {
  name = "staging"
}

resource "sundog_fork" "staging" {
  name    = "staging"
  enclave = sundog_enclave.staging.id

  # Filter it with ordinary HCL.
  inventory = {
    for key, resource in data.sundog_inventory.production.resources : key => resource
    if !startswith(key, "logs/")
  }

  rules = [ # the first that matches decides
    {
      match    = "rds/*"
      strategy = "substitute"
      seed     = { sql_file = "${path.module}/seed.sql" }
    },
    {
      match    = "dynamodb/table/orders"
      strategy = "clone"
      data     = { mode = "sample", limit = 500, mask = { email = "hash" } }
    },
    { match = "secretsmanager/*", strategy = "stub" },
    { match = "s3/bucket/reference-*", strategy = "share" },
    { match_tags = { tier = "batch" }, strategy = "skip" },
  ]
}

output "orders_queue_url" {
  value = sundog_fork.staging.resources["sqs/queue/orders"].url
}
