package main

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

func TestTableName(t *testing.T) {
	got, err := tableName("arn:aws:dynamodb:eu-west-1:222222222222:table/sundog-staging-orders")
	if err != nil || got != "sundog-staging-orders" {
		t.Errorf("tableName() = %q, %v", got, err)
	}
	for _, bad := range []string{"orders", "arn:aws:sqs:eu-west-1:222222222222:orders", "arn:aws:dynamodb:eu-west-1:222222222222:table/"} {
		if _, err := tableName(bad); err == nil || !strings.Contains(err.Error(), "ORDERS_TABLE_ARN") {
			t.Errorf("tableName(%q): error is %v", bad, err)
		}
	}
}

func TestConnectionString(t *testing.T) {
	for _, port := range []string{`5433`, `"5433"`} {
		address, err := connectionString(`{"engine":"postgres","host":"db.example.com","port":` + port +
			`,"username":"shop","password":"p@ss/w:rd?#'","dbname":"orders"}`)
		if err != nil {
			t.Fatalf("port %s: %v", port, err)
		}
		config, err := pgxpool.ParseConfig(address)
		if err != nil {
			t.Fatalf("port %s: the library refuses the connection string", port)
		}
		got := config.ConnConfig
		if got.Host != "db.example.com" || got.Port != 5433 || got.User != "shop" || got.Password != "p@ss/w:rd?#'" ||
			got.Database != "orders" {
			t.Errorf("port %s: %s:%d %s %s %s", port, got.Host, got.Port, got.User, got.Password, got.Database)
		}
	}
	for _, bad := range []string{"hunter2", `{"password":"hunter2"}`, `{"host":"db","password":"hunter2"}`} {
		_, err := connectionString(bad)
		if err == nil || !strings.Contains(err.Error(), "DATABASE_SECRET") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("connectionString(%s): error is %v", bad, err)
		}
	}
}
