import os

import cherrypy
from prices import prices


class Shop:
    @cherrypy.expose
    def index(self) -> str:
        return f"{prices.get('coffee')}\n"

    @cherrypy.expose
    def refresh(self) -> str:
        prices.refresh()
        return "done\n"


cherrypy.config.update({"server.socket_port": int(os.environ.get("PORT", "8000")), "log.screen": False})
cherrypy.quickstart(Shop())
