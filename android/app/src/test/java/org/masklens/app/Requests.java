package org.masklens.app;

import android.content.Intent;
import android.net.Uri;
import android.webkit.PermissionRequest;
import android.webkit.WebChromeClient;
import android.webkit.WebResourceRequest;
import java.util.Collections;
import java.util.Map;

/** What WebView passes to an app: its abstract classes, filled in. */
final class Requests {
    private Requests() {}

    static final class Resource implements WebResourceRequest {
        private final String method;
        private final Uri url;
        private final boolean tapped;

        Resource(String method, String url, boolean tapped) {
            this.method = method;
            this.url = Uri.parse(url);
            this.tapped = tapped;
        }

        @Override
        public Uri getUrl() {
            return url;
        }

        @Override
        public boolean isForMainFrame() {
            return true;
        }

        @Override
        public boolean isRedirect() {
            return false;
        }

        @Override
        public boolean hasGesture() {
            return tapped;
        }

        @Override
        public String getMethod() {
            return method;
        }

        @Override
        public Map<String, String> getRequestHeaders() {
            return Collections.emptyMap();
        }
    }

    /** Remembers how it was answered, and takes one answer only, as WebView does. */
    static final class Permission extends PermissionRequest {
        private final String origin;
        private final String[] resources;
        String[] granted;
        boolean denied;

        Permission(String origin, String... resources) {
            this.origin = origin;
            this.resources = resources;
        }

        boolean isAnswered() {
            return denied || granted != null;
        }

        @Override
        public Uri getOrigin() {
            return Uri.parse(origin);
        }

        @Override
        public String[] getResources() {
            return resources;
        }

        @Override
        public void grant(String[] resources) {
            if (isAnswered()) throw new IllegalStateException("answered twice");
            granted = resources;
        }

        @Override
        public void deny() {
            if (isAnswered()) throw new IllegalStateException("answered twice");
            denied = true;
        }
    }

    static final class Chooser extends WebChromeClient.FileChooserParams {
        private final int mode;

        Chooser(int mode) {
            this.mode = mode;
        }

        @Override
        public int getMode() {
            return mode;
        }

        @Override
        public String[] getAcceptTypes() {
            return new String[] {"image/*", "video/*"};
        }

        @Override
        public boolean isCaptureEnabled() {
            return false;
        }

        @Override
        public CharSequence getTitle() {
            return null;
        }

        @Override
        public String getFilenameHint() {
            return null;
        }

        @Override
        public Intent createIntent() {
            throw new UnsupportedOperationException();
        }
    }
}
