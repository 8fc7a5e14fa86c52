// A token server by other hands (oidc-provider) for tests/session_foreign_token_server.rs.
// Tells on standard output, a JSON object a line, where it listens and which
// tokens it gave out for how many seconds, so that the test's core can check them.
// Ends with its standard input.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const [clientId, clientSecret, scope, life] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`http://localhost:${port}`, {
    clients: [{
      client_id: clientId,
      client_secret: clientSecret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
      scope,
    }],
    scopes: [scope],
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    ttl: { ClientCredentials: Number(life) },
  });
  provider.on('client_credentials.saved', (token) => {
    say({ token: token.jti, life: token.expiration, scope: token.scope });
  });
  // The test's core hears of a token before the box can show it.
  provider.use(async (_context, next) => {
    await next();
    await new Promise((done) => setTimeout(done, 100));
  });
  provider.on('grant.error', (_context, error) => say({ refused: error.error }));
  server.on('request', provider.callback());
  say({ url: `http://localhost:${port}/token` });
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
