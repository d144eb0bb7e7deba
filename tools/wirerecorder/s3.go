package main

import (
	"net/http"
	"net/url"
	"strings"
)

// Amazon S3 names no operation on the wire: it follows from the method, from whether a bucket or an object is
// addressed, and from the sub-resource in the query.

// s3BucketResources maps sub-resources of a bucket to what follows Get, Put or Delete in an operation's name.
func s3BucketResources() map[string]string {
	return map[string]string{
		"abac":              "BucketAbac",
		"accelerate":        "BucketAccelerateConfiguration",
		"acl":               "BucketAcl",
		"cors":              "BucketCors",
		"encryption":        "BucketEncryption",
		"lifecycle":         "BucketLifecycleConfiguration",
		"location":          "BucketLocation",
		"logging":           "BucketLogging",
		"notification":      "BucketNotificationConfiguration",
		"object-lock":       "ObjectLockConfiguration",
		"ownershipControls": "BucketOwnershipControls",
		"policy":            "BucketPolicy",
		"policyStatus":      "BucketPolicyStatus",
		"publicAccessBlock": "PublicAccessBlock",
		"replication":       "BucketReplication",
		"requestPayment":    "BucketRequestPayment",
		"tagging":           "BucketTagging",
		"versioning":        "BucketVersioning",
		"website":           "BucketWebsite",
	}
}

// s3BucketConfigurations are the sub-resources of a bucket that there can be several of, told apart by an id.
func s3BucketConfigurations() map[string]string {
	return map[string]string{
		"analytics":           "BucketAnalyticsConfiguration",
		"intelligent-tiering": "BucketIntelligentTieringConfiguration",
		"inventory":           "BucketInventoryConfiguration",
		"metrics":             "BucketMetricsConfiguration",
	}
}

// s3ObjectResources maps sub-resources of an object to what follows Get, Put or Delete in an operation's name.
func s3ObjectResources() map[string]string {
	return map[string]string{
		"acl":        "ObjectAcl",
		"attributes": "ObjectAttributes",
		"legal-hold": "ObjectLegalHold",
		"retention":  "ObjectRetention",
		"tagging":    "ObjectTagging",
		"torrent":    "ObjectTorrent",
	}
}

// s3Operation derives the operation of a request in path style: /bucket/key.
func s3Operation(r *http.Request) string {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	var operation string
	switch {
	case bucket == "v20180820":
		// The control API of S3 signs with the same service name.
		operation = s3Verb(r.Method) + "S3Control:" + key
	case bucket == "":
		operation = s3Service(r.Method)
	case key == "":
		operation = s3Bucket(r.Method, query)
	default:
		operation = s3Object(r, query)
	}
	if operation == "" {
		return r.Method + " " + r.URL.Path
	}
	return operation
}

// s3Verb is what an operation on a sub-resource starts with. Methods that no sub-resource knows stay as they are, so
// that they are never taken for a read.
func s3Verb(method string) string {
	switch method {
	case http.MethodGet:
		return "Get"
	case http.MethodPut:
		return "Put"
	case http.MethodDelete:
		return "Delete"
	default:
		return method + " "
	}
}

func s3Service(method string) string {
	if method == http.MethodGet {
		return "ListBuckets"
	}
	return ""
}

func s3Bucket(method string, query url.Values) string {
	for parameter, name := range s3BucketConfigurations() {
		if !query.Has(parameter) {
			continue
		}
		if method == http.MethodGet && !query.Has("id") {
			return "List" + name + "s"
		}
		return s3Verb(method) + name
	}
	for parameter, name := range s3BucketResources() {
		if query.Has(parameter) {
			return s3Verb(method) + name
		}
	}
	switch method {
	case http.MethodGet:
		switch {
		case query.Has("uploads"):
			return "ListMultipartUploads"
		case query.Has("versions"):
			return "ListObjectVersions"
		case query.Has("session"):
			return "CreateSession"
		case query.Get("list-type") == "2":
			return "ListObjectsV2"
		default:
			return "ListObjects"
		}
	case http.MethodHead:
		return "HeadBucket"
	case http.MethodPut:
		return "CreateBucket"
	case http.MethodDelete:
		return "DeleteBucket"
	case http.MethodPost:
		if query.Has("delete") {
			return "DeleteObjects"
		}
		return "PostObject"
	default:
		return ""
	}
}

func s3Object(r *http.Request, query url.Values) string {
	for parameter, name := range s3ObjectResources() {
		if query.Has(parameter) {
			return s3Verb(r.Method) + name
		}
	}
	copied := r.Header.Get("X-Amz-Copy-Source") != ""
	switch r.Method {
	case http.MethodGet:
		if query.Has("uploadId") {
			return "ListParts"
		}
		return "GetObject"
	case http.MethodHead:
		return "HeadObject"
	case http.MethodPut:
		switch {
		case query.Has("renameObject"):
			return "RenameObject"
		case query.Has("uploadId") && copied:
			return "UploadPartCopy"
		case query.Has("uploadId"):
			return "UploadPart"
		case copied:
			return "CopyObject"
		default:
			return "PutObject"
		}
	case http.MethodPost:
		switch {
		case query.Has("uploads"):
			return "CreateMultipartUpload"
		case query.Has("uploadId"):
			return "CompleteMultipartUpload"
		case query.Has("restore"):
			return "RestoreObject"
		case query.Has("select"):
			return "SelectObjectContent"
		default:
			return ""
		}
	case http.MethodDelete:
		if query.Has("uploadId") {
			return "AbortMultipartUpload"
		}
		return "DeleteObject"
	default:
		return ""
	}
}
