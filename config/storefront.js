'use strict';

// What of the storefront's infrastructure depends on a stage's own domain and payment provider.
module.exports = async ({ resolveVariable }) => {
  const [domain, certificate, generated, developmentUrl, stripeKey, userPoolPages, userPoolApi] = await Promise.all(
    ['webDomain', 'webCertificate', 'webUrl', 'webDevelopmentUrl', 'stripeKey', 'userPoolPages', 'userPoolApi'].map(
      (name) => resolveVariable(`param:${name}`)
    )
  );
  const url = (path) => (domain ? `https://${domain}${path}` : at(generated, path));
  const urls = (path) => [url(path), ...(developmentUrl ? [developmentUrl + path] : [])];
  return {
    url: url(''),
    homeUrls: urls('/'),
    signedInUrls: urls('/signed-in'),
    aliases: domain ? [domain] : [],
    certificate: domain
      ? { AcmCertificateArn: certificate, SslSupportMethod: 'sni-only', MinimumProtocolVersion: 'TLSv1.2_2021' }
      : { CloudFrontDefaultCertificate: true },
    contentSecurityPolicy: contentSecurityPolicy(userPoolPages, userPoolApi, stripeKey),
  };
};

/** Only a distribution without a domain of its own has an address that CloudFormation makes. */
function at(generated, path) {
  const [text, variables] = generated['Fn::Sub'];
  return { 'Fn::Sub': [text + path, variables] };
}

/** Cards are typed into frames of Stripe's, and only where a stage has a key of Stripe is its script allowed. It opens
 *  frames on other names below its own: https://docs.stripe.com/security/guide#content-security-policy */
function contentSecurityPolicy(userPoolPages, userPoolApi, stripeKey) {
  const stripe = stripeKey ? ' https://js.stripe.com https://*.js.stripe.com' : '';
  const directives = [
    "default-src 'none'",
    `script-src 'self'${stripe}`,
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "manifest-src 'self'",
    `connect-src 'self' ${[...new Set([userPoolPages, userPoolApi])].join(' ')}${stripeKey ? ' https://api.stripe.com' : ''}`,
    ...(stripeKey ? [`frame-src${stripe} https://hooks.stripe.com`] : []),
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    `trusted-types svelte-trusted-html shop${stripeKey ? ' stripe' : ''}`,
  ].join('; ');
  return directives.includes('${') ? { 'Fn::Sub': directives } : directives;
}
