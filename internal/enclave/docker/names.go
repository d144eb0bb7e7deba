package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Values of enclave.LabelRole.
const (
	roleNetwork = "network"
	roleProbe   = "probe" // a network that only asks the engine for a free subnet
	roleService = "service"
	roleTask    = "task"
	roleStore   = "store"
	roleVolume  = "volume"
	roleNote    = "note"
	roleLock    = "lock"
	roleImage   = "image"
	// roleArtifact is the image of a large artifact, and a container that reads it.
	roleArtifact = "artifact"
)

// Labels that only this backend uses.
const (
	labelPorts         = enclave.LabelPrefix + "ports"          // JSON, map of port id to publishedPort
	labelAddress       = enclave.LabelPrefix + "address"        // the service's fixed address
	labelAliases       = enclave.LabelPrefix + "aliases"        // JSON, list
	labelImage         = enclave.LabelPrefix + "image"          // the image as asked for
	labelGeneration    = enclave.LabelPrefix + "generation"     // ties volumes to the container that they were made for
	labelMoves         = enclave.LabelPrefix + "moves"          // JSON, list of paths that were written into the root file system
	labelPersistentKey = enclave.LabelPrefix + "persistent-key" // of a persistent directory's volume
	labelTracked       = enclave.LabelPrefix + "tracked"        // the mark of a persistent directory's volume, by which its use is noted in the store
	labelPersistent    = enclave.LabelPrefix + "persistent"     // JSON, map of persistent key to the mark of its volume
	labelLock          = enclave.LabelPrefix + "lock"           // a lock's name
	labelHolder        = enclave.LabelPrefix + "holder"         // who holds a lock, for people
	labelHolderProcess = enclave.LabelPrefix + "holder-process" // who holds a lock, for the next one who wants it
)

// The separators "." and "_" stand in no name of an enclave or a service, so no two objects can have the same name: with
// hyphens, service "b-c" of enclave "a" would be service "c" of enclave "a-b".

func networkName(enclave string) string          { return "sundog-" + enclave }
func storeName(enclave string) string            { return "sundog-" + enclave + "_store" }
func notePrefix(enclave string) string           { return "sundog-" + enclave + "_note_" }
func readerPrefix(enclave string) string         { return "sundog-" + enclave + "_artifact_" }
func serviceName(enclave, service string) string { return "sundog-" + enclave + "." + service }

// pendingName is the name of a service's container while it is being made. The rename to serviceName is the moment at
// which it takes the place of the one before it, files and all.
func pendingName(enclave, service string) string { return serviceName(enclave, service) + "_pending" }

func lockName(enclave, name string) string {
	sum := sha256.Sum256([]byte(name))
	return lockPrefix(enclave) + hex.EncodeToString(sum[:8])
}

func lockPrefix(enclave string) string { return "sundog-" + enclave + "_lock_" }

// objectLabels are the labels of everything that belongs to an enclave.
func objectLabels(name, role string, more ...map[string]string) map[string]string {
	labels := map[string]string{
		enclave.LabelManagedBy: enclave.ManagedBy,
		enclave.LabelEnclave:   name,
		enclave.LabelRole:      role,
	}
	for _, m := range more {
		maps.Copy(labels, m)
	}
	return labels
}

// withLabels is a filter for objects that carry all the labels, each "key" or "key=value".
func withLabels(labels ...string) client.Filters {
	return client.Filters{}.Add("label", labels...)
}

func ofEnclave(name string) string { return enclave.LabelEnclave + "=" + name }
func ofRole(role string) string    { return enclave.LabelRole + "=" + role }
func ofSundog() string             { return enclave.LabelManagedBy + "=" + enclave.ManagedBy }
func ofService(name string) string { return enclave.LabelService + "=" + name }
