# An environment out of packages that others have published, wired together with HCL: a cache, a database, a web page that
# shows what both hold, and a front end of the database.

terraform {
  required_providers {
    sundog = {
      source = "sundog-dev/sundog"
    }
  }
}

provider "sundog" {}

locals {
  # Pinned by commit, so that everybody gets the same environment. A tag or a branch would do, too.
  packages = {
    redis    = "github.com/kurtosis-tech/redis-package@096ea1284062fd8b4e26845306b6681c4ed6dfe5"
    postgres = "github.com/kurtosis-tech/postgres-package@9c18603a90602d29fe5872d6f4693a5b6a280d15"
    nginx    = "github.com/kurtosis-tech/nginx-package@b29ef31b6b7e3f612ced44ee849c6dacf1e4fc6c"
    adminer  = "github.com/bharath-123/db-adminer-package@d75d4628ea04dfe47dcb8aa20c61c6b68c0a2422"
  }

  database = {
    host = sundog_package_run.database.services["postgres"].hostname
    port = sundog_package_run.database.services["postgres"].ports["postgresql"].number
    name = sundog_package_run.database.output.database
    user = sundog_package_run.database.output.user
  }

  published = {
    cache    = sundog_package_run.cache.services["redis"].ports["redis"]
    database = sundog_package_run.database.services["postgres"].ports["postgresql"]
  }
}

resource "sundog_enclave" "published" {
  name = var.enclave
}

resource "sundog_package_run" "cache" {
  enclave = sundog_enclave.published.id
  package = local.packages.redis
  name    = "cache"

  args = { image = var.redis_image }
}

resource "sundog_package_run" "database" {
  enclave = sundog_enclave.published.id
  package = local.packages.postgres
  name    = "database"

  args = {
    image         = var.postgres_image
    user          = "shop"
    database      = "shop"
    extra_configs = var.database_settings
  }
  sensitive_args = { password = var.database_password }
}

# A package of one's own beside the published ones: it writes to the cache and the database, reads what is there, and
# makes a page of it.
resource "sundog_package_run" "client" {
  enclave = sundog_enclave.published.id
  package = "${path.module}/client"
  name    = "client"

  args = {
    greeting       = var.greeting
    cache_url      = sundog_package_run.cache.output.url
    cache_image    = var.redis_image
    database       = local.database
    database_image = var.postgres_image
  }
  sensitive_args = { database_password = var.database_password }
}

resource "sundog_package_run" "web" {
  enclave = sundog_enclave.published.id
  package = local.packages.nginx
  name    = "web"

  args = {
    image          = var.nginx_image
    file_artifacts = { "/usr/share/nginx/html" = sundog_package_run.client.output.site }
    # The name of the page's artifact stays while its content changes; its digest makes the web server follow.
    env_vars = { PAGE = sundog_package_run.client.artifacts["site"] }
  }
}

resource "sundog_package_run" "adminer" {
  enclave = sundog_enclave.published.id
  package = local.packages.adminer
  name    = "adminer"

  args = {
    image            = var.adminer_image
    default_driver   = "pgsql"
    default_server   = local.database.host
    default_db       = local.database.name
    default_username = local.database.user
  }
  sensitive_args = { default_password = var.database_password }
}

# Any other resource may use what the runs tell, of whatever provider it is.
resource "terraform_data" "addresses" {
  input = {
    page     = sundog_package_run.web.services["nginx"].ports["http"].url
    adminer  = sundog_package_run.adminer.services["adminer"].ports["adminer"].url
    cache    = format("%s:%d", local.published.cache.host, local.published.cache.host_port)
    database = format("%s:%d", local.published.database.host, local.published.database.host_port)
  }
}
