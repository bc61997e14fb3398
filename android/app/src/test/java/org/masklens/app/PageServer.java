package org.masklens.app;

import static org.robolectric.Shadows.shadowOf;

import android.os.Handler;
import android.os.Looper;
import android.provider.MediaStore;
import android.view.ViewGroup;
import android.webkit.WebResourceResponse;
import android.webkit.WebView;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowLooper;

/**
 * The app's side of the end-to-end run (e2e/camera.mjs): a real browser gets what the running app's
 * own client answers, from the APK's own assets, and its own bridge keeps what the page saves. Not
 * part of {@code mvn test}: {@code mvn test -Dtest=PageServer -Dmasklens.port=FILE}; the port is
 * written to FILE. It ends when asked to, or after four minutes.
 */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 34)
public class PageServer {
    private final CountDownLatch stopped = new CountDownLatch(1);
    private PageClient client;
    private PageBridge bridge;
    private WebView page;
    private Gallery gallery;

    @Test
    public void serve() throws Exception {
        MainActivity activity = Robolectric.buildActivity(MainActivity.class).setup().get();
        ViewGroup content = activity.findViewById(android.R.id.content);
        page = (WebView) ((ViewGroup) content.getChildAt(0)).getChildAt(0);
        client = (PageClient) shadowOf(page).getWebViewClient();
        bridge = (PageBridge) shadowOf(page).getJavascriptInterface(PageBridge.NAME);
        gallery = Robolectric.setupContentProvider(Gallery.class, MediaStore.AUTHORITY);

        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/page", this::answer);
        server.createContext("/save", this::save);
        server.createContext("/start", exchange -> reply(exchange, 200, shadowOf(page).getLastLoadedUrl()));
        server.createContext("/back", exchange -> back(exchange, activity));
        server.createContext("/stop", exchange -> {
            reply(exchange, 200, "");
            stopped.countDown();
        });
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.start();
        Path port = Path.of(System.getProperty("masklens.port"));
        Path part = Path.of(port + ".part");
        Files.writeString(part, String.valueOf(server.getAddress().getPort()));
        Files.move(part, port, StandardCopyOption.ATOMIC_MOVE);
        // This is Android's main thread, and it runs only when it is told to.
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(4);
        while (!stopped.await(20, TimeUnit.MILLISECONDS) && System.nanoTime() < end) {
            ShadowLooper.shadowMainLooper().idle();
        }
        server.stop(0);
    }

    /** What the app answers to the URL in the header, with its status, type and headers. */
    private void answer(HttpExchange exchange) throws IOException {
        String url = exchange.getRequestHeaders().getFirst("X-Url");
        WebResourceResponse answer =
                client.shouldInterceptRequest(page, new Requests.Resource(exchange.getRequestMethod(), url, false));
        for (Map.Entry<String, String> header : answer.getResponseHeaders().entrySet()) {
            exchange.getResponseHeaders().set(header.getKey(), header.getValue());
        }
        String charset = answer.getEncoding() == null ? "" : "; charset=" + answer.getEncoding();
        exchange.getResponseHeaders().set("Content-Type", answer.getMimeType() + charset);
        exchange.sendResponseHeaders(answer.getStatusCode(), 0);
        try (InputStream in = answer.getData()) {
            in.transferTo(exchange.getResponseBody());
        }
        exchange.close();
    }

    /** The page's call of masklensHost.save: name, type and base64, a line each. */
    private void save(HttpExchange exchange) throws IOException {
        byte[] body = exchange.getRequestBody().readAllBytes();
        String[] call = new String(body, StandardCharsets.UTF_8).split("\n", 3);
        try {
            bridge.save(call[0], call[1], call[2]);
            reply(exchange, 200, gallery.file.getPath());
        } catch (RuntimeException refused) {
            reply(exchange, 400, refused.toString());
        }
    }

    /** The back button, when the page's address is the one in the header: the script the app runs. */
    private void back(HttpExchange exchange, MainActivity activity) throws IOException {
        String url = exchange.getRequestHeaders().getFirst("X-Url");
        FutureTask<String> pressed = new FutureTask<>(() -> {
            shadowOf(page).pushEntryToHistory(url);
            activity.onBackPressed();
            return activity.isFinishing() ? "" : shadowOf(page).getLastEvaluatedJavascript();
        });
        new Handler(Looper.getMainLooper()).post(pressed);
        try {
            reply(exchange, 200, pressed.get());
        } catch (InterruptedException | ExecutionException failed) {
            reply(exchange, 500, failed.toString());
        }
    }

    private static void reply(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }
}
