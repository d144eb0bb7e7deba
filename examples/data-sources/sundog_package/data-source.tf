data "sundog_package" "shop" {
  package = "${path.module}/shop"
  args    = { replicas = 2 }
}

output "images" {
  value = { for name, service in data.sundog_package.shop.services : name => service.image }
}
