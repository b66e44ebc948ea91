"""Signing in by OpenID, as the documentation of Tornado 2 and 3 shows it, with its own provider."""

import tornado.auth
import tornado.escape
import tornado.httpserver
import tornado.httputil
import tornado.ioloop
import tornado.netutil
import tornado.web


class ProviderHandler(tornado.web.RequestHandler):
    def get(self):
        answer = {
            "openid.mode": "id_res",
            "openid.claimed_id": "http://provider/ada",
            "openid.ns.ax": "http://openid.net/srv/ax/1.0",
            "openid.ax.type.email": "http://axschema.org/contact/email",
            "openid.ax.value.email": "ada@example.com",
        }
        self.redirect(tornado.httputil.url_concat(self.get_argument("openid.return_to"), answer))

    def post(self):
        claimed = self.get_argument("openid.claimed_id")
        self.write("is_valid:true\n" if claimed.endswith("/ada") else "is_valid:false\n")


class LoginHandler(tornado.web.RequestHandler, tornado.auth.OpenIdMixin):
    @tornado.web.asynchronous
    def get(self):
        if self.get_argument("openid.mode", None):
            self.get_authenticated_user(self.on_auth)
            return
        self.authenticate_redirect()

    def on_auth(self, user):
        if not user:
            raise tornado.web.HTTPError(403, "OpenID auth failed")
        self.set_secure_cookie("user", tornado.escape.json_encode(user))
        self.finish("Welcome, %s" % user["email"])


application = tornado.web.Application(
    [("/provider", ProviderHandler), ("/login", LoginHandler)], cookie_secret="a long secret"
)
sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
port = sockets[0].getsockname()[1]
LoginHandler._OPENID_ENDPOINT = "http://127.0.0.1:%d/provider" % port
tornado.httpserver.HTTPServer(application).add_sockets(sockets)
print("port %d" % port)
tornado.ioloop.IOLoop.instance().start()
