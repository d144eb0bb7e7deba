output "database" {
  description = "What the configuration has made inside of the enclave."
  value       = "${postgresql_database.shop.name} of ${postgresql_database.shop.owner}, with ${postgresql_extension.crypto.name}"
}
