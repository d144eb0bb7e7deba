package standin

import (
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

func TestPostgres(t *testing.T) {
	request := descriptor.StandInRequest{Version: "16.3", User: "root", Password: "secret", Database: "shop"}
	container, err := postgres(request)
	if err != nil {
		t.Fatal(err)
	}
	if container.Image != "postgres:16" || len(container.Steps) != 0 || container.Ports[0].Number != 5432 || container.Env["POSTGRES_DB"] != "shop" {
		t.Errorf("plain: %+v", container)
	}
	request.Image, request.Seed, request.SeedSource = "own:1", "SELECT 1;", "seed.sql"
	request.Logins = []descriptor.Login{{User: `o'dd"name`, Password: "p'w", Database: "other"}}
	container, err = postgres(request)
	if err != nil {
		t.Fatal(err)
	}
	files := container.Files["/sundog"]
	if container.Image != "own:1" || len(container.Steps) != 2 || files["seed.sql"] != "SELECT 1;" || !strings.Contains(container.Steps[1].Description, "seed.sql") {
		t.Errorf("seeded: %+v", container)
	}
	if command := strings.Join(container.Steps[1].Command, " "); !strings.HasSuffix(command, "/seed-once.sql") || !strings.Contains(files["seed-once.sql"], "BEGIN;") {
		t.Errorf("an apply that was killed while it seeded must be able to go on: %q", command)
	}
	for _, want := range []string{
		`SELECT 'CREATE ROLE "o''dd""name"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'o''dd"name')\gexec`,
		`ALTER ROLE "o'dd""name" WITH LOGIN PASSWORD 'p''w';`, `CREATE DATABASE "other" OWNER "root"`,
	} {
		if !strings.Contains(files["logins.sql"], want) {
			t.Errorf("the logins lack %s:\n%s", want, files["logins.sql"])
		}
	}
	for _, step := range container.Steps {
		if text := strings.Join(step.Command, " "); strings.Contains(text, "secret") || strings.Contains(text, "p'w") {
			t.Errorf("a command holds a password: %s", text)
		}
	}
	for _, bad := range []descriptor.StandInRequest{{User: "u", Password: "p"}, {Version: "16"}} {
		if _, err := postgres(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

func TestStandInsAreComplete(t *testing.T) {
	for _, standIn := range All() {
		if standIn.Name == "" || standIn.Port == 0 || standIn.Container == nil {
			t.Errorf("the stand-in %+v is not complete", standIn)
		}
	}
}
