output "addresses" {
  description = "Where everything answers, as seen from this machine."
  value       = terraform_data.addresses.output
}

output "found" {
  description = "What the client read from the cache and the database after it had written to them."
  value       = sundog_package_run.client.output
}

output "database" {
  description = "Where the database is, as seen from inside the enclave."
  value       = local.database
}
