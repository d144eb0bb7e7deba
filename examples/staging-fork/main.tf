# A running fork of a small production account: its storefront and worker as containers, PostgreSQL as a stand-in beside
# them, and copies of its queues, topic, table, bucket and parameters in a sandbox account.

terraform {
  required_providers {
    sundog = {
      source = "sundog-dev/sundog"
    }
  }
}

locals {
  region = "eu-west-1"

  # The same endpoint as containers see it.
  enclave_endpoint_url = replace(var.aws_endpoint_url, "/127\\.0\\.0\\.1|localhost/", var.machine)

  sandbox_role_arn = "arn:aws:iam::222222222222:role/sundog-write"
}

provider "sundog" {
  backend    = var.backend
  kubernetes = { expose = "NodePort" } # so that the URLs below lead there from this machine, as they do on Docker

  # Only ever read.
  production = {
    account_id   = "111111111111"
    regions      = [local.region, "eu-central-1"]
    access_key   = var.aws_access_key
    secret_key   = var.aws_secret_key
    assume_role  = { role_arn = "arn:aws:iam::111111111111:role/sundog-read" }
    endpoint_url = var.aws_endpoint_url
  }

  # Where the fork is written.
  sandbox = {
    account_id           = "222222222222"
    region               = local.region
    access_key           = var.aws_access_key
    secret_key           = var.aws_secret_key
    assume_role          = { role_arn = local.sandbox_role_arn }
    endpoint_url         = var.aws_endpoint_url
    enclave_endpoint_url = local.enclave_endpoint_url
  }
}

resource "sundog_enclave" "staging" {
  name   = "staging"
  labels = { team = "shop" }
}

data "sundog_inventory" "production" {
  # The roles that Sundog itself assumes are no part of the shop.
  exclude = ["iam/*/sundog-*"]
}

resource "sundog_fork" "staging" {
  name      = "staging"
  enclave   = sundog_enclave.staging.id
  inventory = data.sundog_inventory.production.resources

  rules = [ # the first that matches decides
    {
      match    = "rds/*"
      strategy = "substitute"
      image    = var.postgres_image
      seed     = { sql_file = "${path.module}/seed.sql" }
    },
    {
      match    = "dynamodb/table/orders"
      strategy = "clone"
      data     = { mode = "sample", limit = 500, mask = { email = "hash" } }
    },
    { match = "ecs/service/*", strategy = "substitute" },
    { match = "s3/bucket/reference-*", strategy = "share" },
    { match = "s3/bucket/*", strategy = "clone", data = { mode = "sample", limit = 50 } },
    { match_tags = { tier = "batch" }, strategy = "skip" },
    { match = "sqs/*", strategy = "clone" },
    { match = "sns/topic/*", strategy = "clone" },
    { match = "secretsmanager/secret/shop/payment-api-key", strategy = "stub" },
    { match = "secretsmanager/*", strategy = "clone", data = { mode = "full" } },
    { match = "ssm/*", strategy = "clone", data = { mode = "full" } },
  ]
}

# The company's existing module, unchanged, with the fork's endpoints instead of production's.
module "settings" {
  source = "./modules/storefront-settings"

  environment            = "staging"
  storefront_url         = sundog_fork.staging.resources["ecs/service/shop/storefront"].url
  orders_queue_url       = sundog_fork.staging.resources["sqs/queue/orders"].url
  orders_table           = sundog_fork.staging.resources["dynamodb/table/orders"].name
  receipts_bucket        = sundog_fork.staging.resources["s3/bucket/shop-receipts-111111111111"].name
  order_events_topic_arn = sundog_fork.staging.resources["sns/topic/order-events"].arn
}

# The team's feature branch, beside the fork and on its data.
resource "sundog_package_run" "shop" {
  enclave = sundog_enclave.staging.id
  package = "${path.module}/shop"

  args = {
    environment       = "staging"
    orders_table      = sundog_fork.staging.resources["dynamodb/table/orders"].name
    receipts_bucket   = sundog_fork.staging.resources["s3/bucket/shop-receipts-111111111111"].name
    settings          = module.settings.settings
    promoted          = var.promoted
    recommender_image = var.recommender_image
    seed_image        = var.postgres_image
  }

  sensitive_args = {
    aws = {
      endpoint_url      = local.enclave_endpoint_url
      region            = local.region
      role_arn          = local.sandbox_role_arn
      access_key_id     = var.aws_access_key
      secret_access_key = var.aws_secret_key
    }
  }
}
