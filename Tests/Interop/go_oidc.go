// An application with go-oidc, as that library's examples are: it prints where to send its user, reads the address that
// the user came back to, and prints what it learned. The secret is the first line that it reads; it may be empty.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"net/url"
	"os"
	"time"

	oidc "github.com/coreos/go-oidc"
	"golang.org/x/oauth2"
)

const (
	state    = "a state"
	nonce    = "a nonce"
	verifier = "a-verifier-of-forty-three-characters-at-least"
)

type claims struct {
	Subject       string `json:"sub"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	Name          string `json:"name"`
}

func main() {
	ctx, issuer, clientID, redirectURL := context.Background(), os.Args[1], os.Args[2], os.Args[3]
	lines := bufio.NewReader(os.Stdin)
	provider, err := oidc.NewProvider(ctx, issuer)
	check(err)
	config := oauth2.Config{
		ClientID: clientID, ClientSecret: line(lines), Endpoint: provider.Endpoint(), RedirectURL: redirectURL,
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
	}
	challenge := sha256.Sum256([]byte(verifier))
	fmt.Println(config.AuthCodeURL(state, oidc.Nonce(nonce),
		oauth2.SetAuthURLParam("code_challenge", base64.RawURLEncoding.EncodeToString(challenge[:])),
		oauth2.SetAuthURLParam("code_challenge_method", "S256")))

	answer, err := url.Parse(line(lines))
	check(err)
	if answer.Query().Get("state") != state {
		log.Fatal("state did not match")
	}
	token, err := config.Exchange(
		ctx, answer.Query().Get("code"), oauth2.SetAuthURLParam("code_verifier", verifier))
	check(err)
	idToken, err := provider.Verifier(&oidc.Config{ClientID: clientID}).Verify(ctx, token.Extra("id_token").(string))
	check(err)
	if idToken.Nonce != nonce {
		log.Fatal("nonce did not match")
	}
	check(idToken.VerifyAccessToken(token.AccessToken))

	// Its access token is over: the source refreshes.
	over := *token
	over.Expiry = time.Now().Add(-time.Minute)
	source := config.TokenSource(ctx, &over)
	fresh, err := source.Token()
	check(err)
	if fresh.RefreshToken == token.RefreshToken {
		log.Fatal("the refresh token was not rotated")
	}
	info, err := provider.UserInfo(ctx, source)
	check(err)
	var inIDToken, inUserInfo claims
	check(idToken.Claims(&inIDToken))
	check(info.Claims(&inUserInfo))
	check(json.NewEncoder(os.Stdout).Encode([]claims{inIDToken, inUserInfo}))
}

func line(lines *bufio.Reader) string {
	text, err := lines.ReadString('\n')
	check(err)
	return text[:len(text)-1]
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
