package main

import (
	"slices"
	"strings"
)

// reads says which operations of a service change nothing. A service that is not listed has no reads: what nobody
// thought about is never waved through.
type reads struct {
	// prefixes of operation names that the service uses for reads only, but for the exceptions.
	prefixes []string
	// also are reads whose names do not say so.
	also []string
	// except are operations that look like reads and are not.
	except []string
}

// configuration is how nearly all services name their reads.
func configuration(also ...string) reads {
	return reads{prefixes: []string{"Get", "List", "Describe"}, also: also}
}

// readTable is the list of reads, written from the services' API references.
func readTable() map[string]reads {
	return map[string]reads{
		"cloudformation":       configuration(),
		"cloudwatch":           configuration(),
		"monitoring":           configuration(),
		"dynamodb":             configuration("BatchGetItem", "TransactGetItems", "Query", "Scan"),
		"ec2":                  configuration(),
		"ecr":                  {prefixes: []string{"List", "Describe", "BatchGet", "Get"}, except: []string{"GetAuthorizationToken"}},
		"ecs":                  configuration(),
		"elasticache":          configuration(),
		"elasticloadbalancing": configuration(),
		"es":                   configuration(),
		"events":               configuration(),
		// Generating a report or details starts a job, and so is no read.
		"iam": configuration("SimulateCustomPolicy", "SimulatePrincipalPolicy"),
		"kms": {
			prefixes: []string{"List", "Describe"},
			also:     []string{"GetKeyPolicy", "GetKeyRotationStatus", "GetPublicKey"},
			// GetParametersForImport makes a wrapping key and a token.
			except: []string{"GetParametersForImport"},
		},
		// A stream's read position is the caller's own, so reading records changes nothing.
		"kinesis": configuration(),
		"logs":    configuration("FilterLogEvents"),
		"rds":     configuration("DownloadDBLogFilePortion", "DownloadCompleteDBLogFile"),
		"s3": {
			prefixes: []string{"Get", "List", "Head"},
			also:     []string{"SelectObjectContent"},
		},
		"secretsmanager": configuration("BatchGetSecretValue"),
		"sns":            configuration("CheckIfPhoneNumberIsOptedOut"),
		// ReceiveMessage hides messages and counts a receipt, which moves them to a dead-letter queue.
		"sqs": {
			prefixes: []string{"Get", "List"},
			except:   []string{"ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "PurgeQueue", "StartMessageMoveTask"},
		},
		// GetConnectionStatus and its like only look; GetAccessToken and GetDeployablePatchSnapshotForInstance make something.
		"ssm": {
			prefixes: []string{"Get", "List", "Describe"},
			except:   []string{"GetAccessToken", "GetDeployablePatchSnapshotForInstance"},
		},
		// Assuming a role makes short-lived credentials and changes nothing that the account holds.
		"sts": {also: []string{
			"GetCallerIdentity", "GetAccessKeyInfo", "DecodeAuthorizationMessage", "GetSessionToken", "AssumeRole",
		}},
		"tagging": {prefixes: []string{"Get"}, also: []string{"DescribeReportCreation"}},
	}
}

// isRead says whether an operation is on the list.
func isRead(table map[string]reads, service, operation string) bool {
	known, ok := table[service]
	if !ok || slices.Contains(known.except, operation) {
		return false
	}
	if slices.Contains(known.also, operation) {
		return true
	}
	return slices.ContainsFunc(known.prefixes, func(prefix string) bool { return strings.HasPrefix(operation, prefix) })
}
