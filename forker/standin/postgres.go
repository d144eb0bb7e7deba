package standin

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

const (
	postgresPort = 5432
	// postgresFiles is where the scripts are mounted.
	postgresFiles = "/sundog"
	// postgresData is where the server keeps its data.
	postgresData  = "/var/lib/postgresql/data"
	postgresReady = 3 * time.Minute
)

// postgresRun runs a script over the network address, as programs do: what it can do, they can.
const postgresRun = `PGPASSWORD="$POSTGRES_PASSWORD" exec psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p 5432 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f `

// postgresLock lets one script wait for another. An apply that was killed leaves its script running inside the container.
const postgresLock = "SELECT pg_advisory_lock(7305014) \\g /dev/null\n"

// postgresSeedOnce runs the seed script and notes that it was run in one transaction: seeding happens whole and once,
// wherever an apply is killed.
const postgresSeedOnce = postgresLock + `BEGIN;
CREATE SCHEMA IF NOT EXISTS sundog;
CREATE TABLE IF NOT EXISTS sundog.seeded (at timestamptz NOT NULL DEFAULT now());
SELECT NOT EXISTS (SELECT FROM sundog.seeded) AS unseeded \gset
\if :unseeded
\ir seed.sql
INSERT INTO sundog.seeded DEFAULT VALUES;
\endif
COMMIT;
`

func init() {
	registered.Register(descriptor.StandIn{Name: "postgres", Port: postgresPort, Container: postgres, Seeds: true})
}

var postgresMajor = regexp.MustCompile(`^[0-9]+`)

// postgres stands in for PostgreSQL: the official image of the same major version, or one that takes the same variables.
// Its data lasts as long as the container: a stand-in that has to change starts over with its seed, one that is drained from its
// machine does not.
func postgres(request descriptor.StandInRequest) (descriptor.Container, error) {
	image := request.Image
	if image == "" {
		major := postgresMajor.FindString(request.Version)
		if major == "" {
			return descriptor.Container{}, fmt.Errorf("the version %q of production's PostgreSQL has no major number; give an image in the rule", request.Version)
		}
		image = "postgres:" + major
	}
	if request.User == "" || request.Password == "" {
		return descriptor.Container{}, errors.New("a PostgreSQL stand-in needs an owner and its password")
	}
	database := request.Database
	if database == "" {
		database = "postgres"
	}
	container := descriptor.Container{
		Image: image,
		Env: map[string]string{
			"POSTGRES_USER": request.User, "POSTGRES_PASSWORD": request.Password, "POSTGRES_DB": database,
			// A folder below the mount: a new volume is not always an empty one.
			"PGDATA": postgresData + "/pgdata",
		},
		Lasting: []string{postgresData},
		Ports:   []descriptor.ContainerPort{{ID: "postgresql", Number: postgresPort, Transport: "TCP", Application: "postgresql"}},
		// While it initialises itself the server listens on its socket only, so the network address tells the truth.
		Ready:        []string{"pg_isready", "-q", "-h", "127.0.0.1", "-p", "5432", "-U", request.User, "-d", database},
		ReadyTimeout: postgresReady,
	}
	files := map[string]string{}
	step := func(name, text, description string) {
		files[name] = text
		container.Steps = append(container.Steps, descriptor.ContainerStep{
			Command: []string{"sh", "-c", postgresRun + postgresFiles + "/" + name}, Description: description,
		})
	}
	if len(request.Logins) > 0 {
		step("logins.sql", postgresLogins(request.User, database, request.Logins), "make the logins that the fork's configurations use")
	}
	if request.Seed != "" {
		source := request.SeedSource
		if source == "" {
			source = "the seed script"
		}
		files["seed.sql"] = request.Seed
		step("seed-once.sql", postgresSeedOnce, "seed the database from "+source)
	}
	if len(files) > 0 {
		container.Files = map[string]map[string]string{postgresFiles: files}
	}
	return container, nil
}

// postgresLogins makes users and their databases. Users inherit from the owner: what production grants them is not known
// without reading its data.
func postgresLogins(owner, first string, logins []descriptor.Login) string {
	var script strings.Builder
	script.WriteString(postgresLock)
	for _, login := range logins {
		user := quoteName(login.User)
		fmt.Fprintf(&script, "SELECT 'CREATE ROLE %s' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)\\gexec\n",
			strings.ReplaceAll(user, "'", "''"), quoteText(login.User))
		fmt.Fprintf(&script, "ALTER ROLE %s WITH LOGIN PASSWORD %s;\n", user, quoteText(login.Password))
		fmt.Fprintf(&script, "GRANT %s TO %s;\n", quoteName(owner), user)
		if login.Database != "" && login.Database != first {
			database := quoteName(login.Database)
			fmt.Fprintf(&script, "SELECT 'CREATE DATABASE %s OWNER %s' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = %s)\\gexec\n",
				strings.ReplaceAll(database, "'", "''"), strings.ReplaceAll(quoteName(owner), "'", "''"), quoteText(login.Database))
		}
	}
	return script.String()
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
